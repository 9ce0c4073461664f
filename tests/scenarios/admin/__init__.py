"""docs/admin.md, walked step by step."""
