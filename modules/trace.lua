-- Packets themselves, kept in pcapng files or shown one by one.
--
-- No script runs per packet: this only says what the core is to do. With `file`, or
-- where a store is configured, packets are written and a record tells how many.
service = "trace"
args = {
  snaplen = 262144, -- bytes of each packet to keep
  payload = -1, -- bytes of each packet to keep behind its headers; -1 for all
  file = "", -- capture file to write, in place of records of each packet
  interval = "1s",
}
