"""The payloads of webhooks: a ping, and what happened to a run or its job. Called by `webhooks.py` at the moment it
happens.

Addresses in them are those of the server itself, as no client has named another.
"""

from __future__ import annotations

from typing import Any

from .model import Hook, Run
from .payloads import Payloads, node_id, stamp
from .world import World

Json = dict[str, Any]
ADDRESSES = {"test": "test", "ping": "pings", "deliveries": "deliveries"}
ZEN = "Responsive is better than fast."


def payload(world: World, hook: Hook, event: str, action: str, run: Run) -> Json:
    """Of `workflow_run` and `workflow_job`."""
    shape = Payloads(world, world.api_url)
    if event == "workflow_run":
        # A run without requests keeps its workflow; GitHub sends null for one that was deleted meanwhile.
        told: Json = {"workflow_run": shape.run(run), "workflow": shape.workflow(run.workflow)}
    else:
        assert run.job is not None
        told = {"workflow_job": shape.job(run, run.job)}
    return {"action": action, **told, **_around(world, shape, hook)}


def ping(world: World, hook: Hook) -> Json:
    """What a new hook is sent first."""
    shape = Payloads(world, world.api_url)
    return {"zen": ZEN, "hook_id": hook.id, "hook": described(hook, world), **_around(world, shape, hook)}


def _around(world: World, shape: Payloads, hook: Hook) -> Json:
    found = {
        "repository": shape.repository(permissions=None),
        "organization": shape.organization(),
        "sender": shape.user(world.actor),
    }
    if hook.installation_id is not None:
        number = hook.installation_id
        found["installation"] = {"id": number, "node_id": node_id("IntegrationInstallation", number)}
    return found


def config(hook: Hook) -> Json:
    """A hook's settings as GitHub shows them; the secret is never shown."""
    masked = {"secret": "********"} if hook.secret else {}
    return {"content_type": hook.content_type, "insecure_ssl": hook.insecure_ssl, **masked, "url": hook.url}


def described(hook: Hook, world: World, base: str = "") -> Json:
    """A hook as the API shows it."""
    kind = "App" if hook.app_id else "Repository"
    shape: Json = {
        "type": kind,
        "id": hook.id,
        "name": "web",
        "active": hook.active,
        "events": list(hook.events),
        "config": config(hook),
        "updated_at": stamp(hook.updated_at),
        "created_at": stamp(hook.created_at),
    }
    if hook.app_id:
        return {**shape, "app_id": hook.app_id}
    url = f"{base or world.api_url}/repos/{world.full_name}/hooks/{hook.id}"
    addresses = {
        "url": url,
        "test_url": f"{url}/test",
        "ping_url": f"{url}/pings",
        "deliveries_url": f"{url}/deliveries",
    }
    return {**shape, **addresses, "last_response": _last(hook)}


def _last(hook: Hook) -> Json:
    if hook.last is None or not hook.last.status_code:
        return {"code": None, "status": "unused", "message": None}
    good = hook.last.succeeded
    return {"code": hook.last.status_code, "status": "active" if good else "misconfigured", "message": hook.last.status}
