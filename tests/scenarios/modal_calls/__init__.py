"""`/run modal` through the whole product."""
