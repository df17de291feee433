"""Dispatches that are a part of their caller's transaction, or wait for its end."""

from asyncq.transactions.commits import AfterCommit, after_commit

__all__ = ["AfterCommit", "after_commit"]
