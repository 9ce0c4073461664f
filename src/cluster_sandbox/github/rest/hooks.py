"""Routes of webhooks: those of the repository, and the one of an App; their deliveries, and sending one again."""

from __future__ import annotations

from typing import Any

from ..events import config, described
from ..model import Delivery, Hook
from ..payloads import stamp
from .actions import REPO
from .route import Answer, ApiError, Call, Routes, not_found

routes = Routes("repository_hooks")
HOOKS = f"{REPO}/hooks"
MOST_HOOKS = 20


def _shape(call: Call, hook: Hook) -> Any:
    return described(hook, call.service.world, call.base)


def _find(call: Call) -> Hook:
    hook = call.service.webhooks.hooks.get(call.number("hook_id"))
    if hook is None or hook.app_id is not None:
        raise not_found()
    return hook


def _body(call: Call) -> dict[str, Any]:
    if not isinstance(call.body, dict):
        raise ApiError(400, "Body should be a JSON object")
    return call.body


def _config(hook: Hook, given: Any, *, whole: bool) -> None:
    """Take settings over; `whole`: what is not named falls back, as when a hook's `config` is given."""
    if not isinstance(given, dict):
        raise ApiError(422, "Validation Failed")
    url = given.get("url", hook.url)
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise ApiError(422, "Validation Failed")
    kind = given.get("content_type", "form" if whole else hook.content_type)
    if kind not in ("json", "form"):
        raise ApiError(422, "Validation Failed")
    hook.url, hook.content_type = url, kind
    hook.secret = str(given.get("secret") or ("" if whole else hook.secret))
    hook.insecure_ssl = str(given.get("insecure_ssl", "0" if whole else hook.insecure_ssl))


# --- of the repository ------------------------------------------------------------------------------


@routes("GET", HOOKS)
def hooks(call: Call) -> Any:
    return [_shape(call, one) for one in call.page(call.service.webhooks.of_repository())]


@routes("POST", HOOKS)
def create(call: Call) -> Any:
    body, webhooks = _body(call), call.service.webhooks
    settings = body.get("config")
    if not isinstance(settings, dict) or body.get("name", "web") != "web":
        raise ApiError(422, "Validation Failed")
    events = tuple(map(str, body.get("events") or ("push",)))
    probe = Hook(0, "", "", events, 0.0, 0.0)
    _config(probe, settings, whole=True)
    same = [one for one in webhooks.of_repository() if one.url == probe.url and set(one.events) & set(events)]
    if same:
        error = {"resource": "Hook", "code": "custom", "message": "Hook already exists on this repository"}
        raise ApiError(422, "Validation Failed", errors=[error])
    if len(webhooks.of_repository()) >= MOST_HOOKS:
        raise ApiError(422, f'The "{events[0]}" event cannot have more than {MOST_HOOKS} hooks')
    hook = webhooks.add(
        probe.url,
        secret=probe.secret,
        events=events,
        content_type=probe.content_type,
        active=bool(body.get("active", True)),
    )
    hook.insecure_ssl = probe.insecure_ssl
    return Answer(201, _shape(call, hook))


@routes("GET", f"{HOOKS}/{{hook_id}}")
def hook(call: Call) -> Any:
    return _shape(call, _find(call))


@routes("PATCH", f"{HOOKS}/{{hook_id}}")
def change(call: Call) -> Any:
    found, body = _find(call), _body(call)
    if "config" in body:
        _config(found, body["config"], whole=True)
    events = set(map(str, body.get("events") or found.events)) | set(body.get("add_events") or ())
    found.events = tuple(sorted(events - set(body.get("remove_events") or ())))
    found.active = bool(body.get("active", found.active))
    found.updated_at = call.service.world.now()
    return _shape(call, found)


@routes("DELETE", f"{HOOKS}/{{hook_id}}")
def delete(call: Call) -> Any:
    del call.service.webhooks.hooks[_find(call).id]
    return Answer(204)


@routes("GET", f"{HOOKS}/{{hook_id}}/config")
def show_config(call: Call) -> Any:
    return config(_find(call))


@routes("PATCH", f"{HOOKS}/{{hook_id}}/config")
def change_config(call: Call) -> Any:
    found = _find(call)
    _config(found, _body(call), whole=False)
    return config(found)


@routes("POST", f"{HOOKS}/{{hook_id}}/pings")
def ping(call: Call) -> Any:
    call.service.webhooks.ping(_find(call))
    return Answer(204)


@routes("GET", f"{HOOKS}/{{hook_id}}/deliveries")
def deliveries(call: Call) -> Any:
    return _listed(call, _find(call))


@routes("GET", f"{HOOKS}/{{hook_id}}/deliveries/{{delivery_id}}")
def delivery(call: Call) -> Any:
    return _whole(call, _delivery(call, _find(call)))


@routes("POST", f"{HOOKS}/{{hook_id}}/deliveries/{{delivery_id}}/attempts")
def attempt(call: Call) -> Any:
    call.service.webhooks.redeliver(_delivery(call, _find(call)))
    return Answer(202, {})


# --- of an App --------------------------------------------------------------------------------------


def _of_app(call: Call) -> Hook:
    assert call.app is not None
    found = call.service.webhooks.of_app(call.app.id)
    if found is None:
        raise not_found()
    return found


@routes("GET", "/app/hook/config", access="app")
def app_config(call: Call) -> Any:
    return config(_of_app(call))


@routes("PATCH", "/app/hook/config", access="app")
def change_app_config(call: Call) -> Any:
    found = _of_app(call)
    _config(found, _body(call), whole=False)
    return config(found)


@routes("GET", "/app/hook/deliveries", access="app")
def app_deliveries(call: Call) -> Any:
    return _listed(call, _of_app(call))


@routes("GET", "/app/hook/deliveries/{delivery_id}", access="app")
def app_delivery(call: Call) -> Any:
    return _whole(call, _delivery(call, _of_app(call)))


@routes("POST", "/app/hook/deliveries/{delivery_id}/attempts", access="app")
def app_attempt(call: Call) -> Any:
    call.service.webhooks.redeliver(_delivery(call, _of_app(call)))
    return Answer(202, {})


# --- deliveries -------------------------------------------------------------------------------------


def _delivery(call: Call, hook: Hook) -> Delivery:
    wanted = call.number("delivery_id")
    for one in call.service.webhooks.kept(hook):
        if one.id == wanted:
            return one
    raise not_found()


def _listed(call: Call, hook: Hook) -> Any:
    """Newest first, from a cursor on; what is under way is not listed yet."""
    found = [one for one in call.service.webhooks.kept(hook) if one.status_code]
    wanted = call.query.get("status")
    if wanted not in (None, "success", "failure"):
        raise ApiError(422, "Validation Failed")
    if wanted is not None:
        found = [one for one in found if one.succeeded == (wanted == "success")]
    return [_item(call, one) for one in call.from_cursor(found, key=lambda one: one.id)]


def _item(call: Call, one: Delivery) -> dict[str, Any]:
    return {
        "id": one.id,
        "guid": one.guid,
        "delivered_at": stamp(one.delivered_at),
        "redelivery": one.redelivery,
        "duration": one.duration,
        "status": one.status,
        "status_code": one.status_code,
        "event": one.event,
        "action": one.action,
        "installation_id": one.hook.installation_id,
        "repository_id": call.service.world.id,
        "throttled_at": None,
    }


def _whole(call: Call, one: Delivery) -> dict[str, Any]:
    return {
        **_item(call, one),
        "url": one.hook.url,
        "request": {"headers": one.request_headers or None, "payload": one.payload},
        "response": {"headers": one.response_headers or None, "payload": one.response_body or None},
    }
