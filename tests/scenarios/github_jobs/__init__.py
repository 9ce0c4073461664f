"""`/run github` through the whole product."""
