"""What the person sees: events and results as text on a terminal or in a log, and the streams that carry it."""
