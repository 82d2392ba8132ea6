-- Packets themselves, kept in pcapng files or shown one by one.
--
-- No script runs per packet: this only says what the core is to do. With `file`, or
-- where a store is configured, packets are written and a record tells how many.
service = "trace"
