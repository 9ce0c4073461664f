"""The Modal app that `/run modal` uses: `app` is what gets deployed, `body` what its containers do, `channel` their way
home. README.md says how an admin deploys it and tries it."""
