-- Packets and bytes per interval.
--
-- A silent interval counts 0. The original's `granularity` is `interval` here, and
-- its `use-bytes` is gone: both are always counted.
value = { packets = count(), bytes = sum("len") }
