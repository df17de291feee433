"""Dispatches that are a part of their caller's transaction, or wait for its end."""

from asyncq.transactions.door import Transactions

__all__ = ["Transactions"]
