"""The Modal launcher: runs are calls of one deployed function, which `modal_runners` holds.

Imported by the composition root alone, when a token is configured. The parts, top to bottom: `launcher` (the port's
verbs), `watch` (what is heard of calls and their items), `spooling` (items become a spool), `problems` (what Modal's no
means), `gpus` (what members may ask for), `connection` (the client, and the requests below it), `plain` (pickles read
as data), and for admins `deploy`.
"""

from cluster_bot.launchers.modal_functions.connection import PUBLIC_API, Login, Modal
from cluster_bot.launchers.modal_functions.gpus import ModalGpu, read_gpus
from cluster_bot.launchers.modal_functions.launcher import ModalFunctions
from cluster_bot.launchers.modal_functions.watch import Timing

__all__ = ["PUBLIC_API", "Login", "Modal", "ModalFunctions", "ModalGpu", "Timing", "read_gpus"]
