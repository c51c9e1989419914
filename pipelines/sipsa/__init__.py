"""Food prices of SIPSA: the whole history of each report, merged each day into one table a report."""
