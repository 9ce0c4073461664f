"""`cluster-bot demo`: the product on the sandbox's Discord, with you as its member."""

from cluster_bot.demo.world import DemoOptions, run_demo

__all__ = ["DemoOptions", "run_demo"]
