"""Editing the answer to a command without its interaction: in a later life of the bot, or long after it was given.

Called by whoever shows something of a run that was asked for: the token is kept with the run, and good for 15 minutes.
"""

import discord
from discord.http import Route


async def edit_answer(client: discord.Client, token: str, text: str, *, without_files: bool = False) -> bool:
    """Give the answer another text; False where Discord takes that no more: the token is over, the answer dismissed.

    Raises HTTPException where trying again may help.
    """
    route = Route(
        "PATCH",
        "/webhooks/{webhook_id}/{webhook_token}/messages/@original",
        webhook_id=client.application_id or 0,
        webhook_token=token,
    )
    given = {"content": text, "allowed_mentions": {"parse": []}, **({"attachments": []} if without_files else {})}
    try:
        await client.http.request(route, json=given)
    except discord.HTTPException as error:
        if error.status >= 500 or error.status == 429:
            raise
        return False
    return True
