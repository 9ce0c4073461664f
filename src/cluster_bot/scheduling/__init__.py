"""What happens between a front end and a launcher: submit, follow, relay."""
