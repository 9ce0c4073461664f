"""`python -m cluster_bot` is `cluster-bot`."""

from cluster_bot.cli import main

if __name__ == "__main__":
    main()
