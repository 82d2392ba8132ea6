-- Networks, masks and the order of addresses.
function init(args) return { inside = 0, up = 0, nets = {} } end
function update(pkt, state)
  local src, dst = pkt.ip.src, pkt.ip.dst
  if not src then return end
  if src:within('10.0.0.0/30') then state.inside += 1 end
  if src < dst then state.up += 1 end
  local net = tostring(src:masked(30))
  state.nets[net] = (state.nets[net] or 0) + 1
end
function export(state)
  return { inside = state.inside, up = state.up, zero = state.nets['10.0.0.0'] }
end
