"""What everything is: values, digests and the transition table. No input or output happens here."""
