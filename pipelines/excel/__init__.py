"""The Excel landing zone: workbooks of wholesale prices that people drop, loaded once each."""
