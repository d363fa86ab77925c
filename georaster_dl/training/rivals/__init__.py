"""Forests and support vector machines beside a network: fitted in seconds, judged on the same pixels."""
