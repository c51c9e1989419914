"""Predictions for a table, from Parquet to Parquet: the champion's bundle and the engine that serves it."""
