-- Packets and bytes of every flow, in plain tables inside each other.
filter = "tcp or udp"

function init()
  return {}
end

function update(pkt, state)
  local by_src = state[pkt.ip.src]
  if not by_src then
    by_src = {}
    state[pkt.ip.src] = by_src
  end
  local by_dst = by_src[pkt.ip.dst]
  if not by_dst then
    by_dst = {}
    by_src[pkt.ip.dst] = by_dst
  end
  local ports = (pkt.ip.proto * 65536 + pkt.sport) * 65536 + pkt.dport
  local row = by_dst[ports]
  if not row then
    row = { packets = 0, bytes = 0 }
    by_dst[ports] = row
  end
  row.packets += pkt.packets
  row.bytes += pkt.bytes
end

function export(state)
  local rows = {}
  for src, by_src in state do
    for dst, by_dst in by_src do
      for ports, row in by_dst do
        table.insert(rows, {
          src = src,
          dst = dst,
          proto = ports // 2 ^ 32,
          sport = ports // 65536 % 65536,
          dport = ports % 65536,
          packets = row.packets,
          bytes = row.bytes,
        })
      end
    end
  end
  return rows
end
