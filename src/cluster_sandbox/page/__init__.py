"""The web page of the sandbox's Discord: a person does there what they would do in Discord.

server = DiscordServer()
Page(server).serve()
await server.start()   # and open server.url in a browser
"""

from .page import Page, Sample

__all__ = ["Page", "Sample"]
