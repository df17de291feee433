"""Resolvers of types for containers that many projects have: `AsyncQ(resolver=DishkaResolver(container))`."""
