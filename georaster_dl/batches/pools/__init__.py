"""Pools of workers: processes of one machine, Dask clusters."""
