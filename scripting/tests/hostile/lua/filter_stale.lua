-- error: a packet matched after its time.
local f = filter("tcp")
local function keep(state, p) state.p = p end
function init(_, last) return last or {} end
function update(pkt, state)
  if state.p then f(state.p) end
  if pkt.len == 99 then keep(state, pkt) end
end
function export(state) if state.p then f(state.p) end f(nil) end
