"""An app that can be deployed and not be imported in its container."""

import modal

app = modal.App("broken")
if not modal.is_local():
    raise ImportError("there is no libgpu.so here")


@app.function(single_use_containers=True)
def run() -> None: ...
