"""The Discord front end: commands in, threads out. The only package that knows `discord`."""
