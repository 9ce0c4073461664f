"""What every Modal of the tests has: containers whose programs may write where a test looks, and one process they are
all forked from, since importing the client takes each of them a second."""

import atexit

from cluster_sandbox.modal import Crew

MACHINE = {"CLUSTER_SANDBOX": "none"}
CREW = Crew()
atexit.register(CREW.close)
