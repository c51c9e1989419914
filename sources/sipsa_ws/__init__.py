"""The price service of DANE's SIPSA, as SOAP 1.2: synthetic histories made from real weekly bulletins."""
