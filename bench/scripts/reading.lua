-- Reads and counts, and nothing else: what every other figure stands on.
args  = { interval = "1h" }
value = { packets = count() }
