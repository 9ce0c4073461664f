"""The app as Modal sees it: one image, one function, which a call gives its GPU and its time.

Deployed by `cluster-bot modal deploy`, which says by the environment what its admin chose; imported again in every
container, where only `run_job` matters. Limits: programs have what this image has; a change of it takes effect with the
next deploy, and containers under way keep theirs.
"""

import os

import modal

from modal_runners import body

APP_NAME = os.environ.get("CLUSTER_MODAL_APP", "cluster-bot")
NETWORK_OPEN = os.environ.get("CLUSTER_MODAL_NETWORK", "closed") == "open"
MOST_CONTAINERS = int(os.environ.get("CLUSTER_MODAL_MOST_CONTAINERS", "0")) or None
# A call asks for its own; this holds where one did not.
TIMEOUT_S = 3600
# nvcc and torch's own compiler want more than Modal's default of an eighth of a core and 128 MiB.
CORES, MEMORY_MIB = 2.0, 8192

image = (
    # The toolkit's major version is the one that this PyTorch was built with.
    modal.Image.from_registry("nvidia/cuda:13.0.1-devel-ubuntu24.04", add_python="3.12")
    .entrypoint([])
    .apt_install("g++")
    .uv_pip_install("torch==2.13.0", "numpy==2.5.5", "matplotlib==3.11.2", "uv==0.13.8")
    .env({body.NETWORK_VARIABLE: "open" if NETWORK_OPEN else "closed"})
    .add_local_python_source("cluster_runner", "modal_runners")
)

app = modal.App(APP_NAME)


@app.function(
    image=image,
    timeout=TIMEOUT_S,
    cpu=CORES,
    memory=MEMORY_MIB,
    max_containers=MOST_CONTAINERS,
    block_network=not NETWORK_OPEN,
    # The next member's program never finds what the last one's left.
    single_use_containers=True,
    # A program runs once; what Modal starts again by itself is turned away by the claim.
    retries=0,
    include_source=False,
    # What a container returns is data, not a pickle.
    _experimental_restrict_output=True,
)
def run_job(order: str) -> str:
    """Execute the attempt that `order` describes; see `body`."""
    return body.execute(order)
