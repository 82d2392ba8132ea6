-- State by address, the largest first.
args = { n = 20 }
function init(args) return {} end
function update(pkt, state)
  local dst = pkt.ip.dst
  if dst then state[dst] = (state[dst] or 0) + pkt.len end
end
function export(state)
  local rows = {}
  for addr, bytes in state do table.insert(rows, { addr = addr, bytes = bytes }) end
  table.sort(rows, function(a, b)
    return a.bytes > b.bytes or a.bytes == b.bytes and a.addr < b.addr
  end)
  return table.move(rows, 1, args.n, 1, {})
end
