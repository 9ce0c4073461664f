"""The check of the repository's webhook: is it there, does it send what the bot hears, and did the newest arrive.

Called by `of_github`. A webhook of the organisation or of the App does as well and can't be seen with the bot's token,
which is why none to be seen is a warning.
"""

from collections.abc import Mapping
from typing import Any

from cluster_bot.check.lines import Said
from cluster_bot.errors import StartupError
from cluster_bot.launchers.github_actions.admin import WRITE, AdminApi, AdminError, odd
from cluster_bot.web.github_webhook import EVENTS

PAGE = "the repository's Settings, Webhooks"
NAMES = {"workflow_run": "Workflow runs", "workflow_job": "Workflow jobs"}
# What we answer to a signature that is not ours, and to what came before.
_REFUSED, _AGAIN = 403, 409


async def look_at_webhook(api: AdminApi, hooks: str, address: str) -> Said:
    """What there is to say of the webhook to `address`; `hooks` is the path of the repository's webhooks.

    Raises StartupError where it can't work.
    """
    answer = await api.ask("GET", hooks, per_page="100")
    if answer.status in (403, 404):
        return Said(
            f"can't be seen with this token; {api.kind.allow('Webhooks', WRITE)}, or look under {PAGE}, Recent "
            "Deliveries",
            warning=True,
        )
    if answer.status != 200 or not isinstance(answer.body, list):
        raise AdminError(odd(answer, "the question for webhooks"))
    found = [one for one in answer.body if str(one["config"].get("url", "")).rstrip("/") == address]
    if not found:
        return Said(
            f"the repository has none to {address}; add it ({PAGE}, Add webhook) with the content type "
            "application/json, unless the organisation or the App has one",
            warning=True,
        )
    _fit(found[0])
    newest = await api.ask("GET", f"{hooks}/{found[0]['id']}/deliveries", per_page="1")
    if newest.status != 200 or not newest.body:
        return Said(f"to {address}, with no delivery to be seen yet", warning=True)
    said = _newest(newest.body[0])
    if found[1:]:
        return Said(f"{said.text}; there are {len(found)} to {address}, delete all but one ({PAGE})", warning=True)
    return said


def _fit(hook: Mapping[str, Any]) -> None:
    """Raise StartupError where the bot could not take what this webhook sends."""
    if not hook.get("active"):
        raise StartupError(f"The webhook is switched off; tick Active ({PAGE}, Edit).")
    missing = [NAMES[event] for event in EVENTS if event not in hook["events"] and "*" not in hook["events"]]
    if missing:
        raise StartupError(
            f"The webhook does not tell of {' and '.join(missing)}; tick that ({PAGE}, Edit, Let me select individual "
            "events)."
        )
    if hook["config"].get("content_type") != "json":
        raise StartupError(f"The webhook sends forms; set its content type to application/json ({PAGE}, Edit).")


def _newest(delivery: Mapping[str, Any]) -> Said:
    what = f"the newest delivery ({delivery.get('event')}, {delivery.get('delivered_at')})"
    status = int(delivery.get("status_code") or 0)
    if status == _REFUSED:
        raise StartupError(
            f"The bot refused {what}: the webhook's secret is not GITHUB_WEBHOOK_SECRET; set both anew ({PAGE}, Edit)."
        )
    if 200 <= status < 300 or status == _AGAIN:
        return Said(f"{what} arrived")
    return Said(
        f"{what} did not arrive ({delivery.get('status') or status}); start the bot, look at PUBLIC_URL above, and "
        f"press Redeliver ({PAGE}, Recent Deliveries)",
        warning=True,
    )
