"""The page of a run, for people who follow the link in the bot's message. Plain HTML, everything escaped, no script."""

from __future__ import annotations

from html import escape

from aiohttp import web

from .model import Run
from .world import World

REFRESH_S = 2


class Pages:
    def __init__(self, world: World) -> None:
        self._world = world

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/{owner}/{name}/actions/runs/{run_id:[0-9]+}", self._run)
        app.router.add_get("/{owner}/{name}/actions/runs/{run_id:[0-9]+}/job/{job_id:[0-9]+}", self._run)
        app.router.add_get("/{owner}/{name}/actions", self._runs)
        app.router.add_get("/{owner}/{name}", self._runs)

    async def _run(self, request: web.Request) -> web.Response:
        run = self._world.runs.get(int(request.match_info["run_id"]))
        if run is None or not self._own(request):
            raise web.HTTPNotFound
        return _page(f"{run.title} · {run.workflow.name} #{run.number}", self._describe(run), refresh=not run.completed)

    async def _runs(self, request: web.Request) -> web.Response:
        if not self._own(request):
            raise web.HTTPNotFound
        rows = "".join(
            f'<li><a href="/{escape(self._world.full_name)}/actions/runs/{run.id}">{escape(run.title)}</a> '
            f"{escape(run.conclusion or run.status)}</li>"
            for run in reversed(self._world.runs.values())
        )
        return _page(f"Workflow runs of {self._world.full_name}", f"<ul>{rows}</ul>", refresh=False)

    def _own(self, request: web.Request) -> bool:
        return f"{request.match_info['owner']}/{request.match_info['name']}" == self._world.full_name

    def _describe(self, run: Run) -> str:
        parts = [f"<p>Status: <b>{escape(run.conclusion or run.status)}</b></p>"]
        if run.failure:
            parts.append(f"<p>{escape(run.failure)}</p>")
        if run.job is not None:
            machine = f" on {escape(run.job.machine.name)}" if run.job.machine else ""
            parts.append(f"<h2>{escape(run.job.name)}{machine}</h2><ol>")
            parts += [
                f"<li>{escape(step.name)}: {escape(step.conclusion or step.status)}</li>" for step in run.job.steps
            ]
            parts.append("</ol>")
        names = [one.name for one in self._world.artifacts.values() if one.run_id == run.id]
        if names:
            parts.append("<h2>Artifacts</h2><ul>" + "".join(f"<li>{escape(name)}</li>" for name in names) + "</ul>")
        if run.completed and run.job is not None and run.job.log:
            parts.append(f"<h2>Log</h2><pre>{escape(run.job.log_text)}</pre>")
        return "".join(parts)


def _page(title: str, body: str, *, refresh: bool) -> web.Response:
    again = f'<meta http-equiv="refresh" content="{REFRESH_S}">' if refresh else ""
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{again}<title>{escape(title)}</title></head>'
        f"<body><h1>{escape(title)}</h1>{body}</body></html>"
    )
    policy = {"Content-Security-Policy": "default-src 'none'"}
    return web.Response(text=text, content_type="text/html", headers=policy)
