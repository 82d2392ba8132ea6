-- Calls for help.
function init() return { n = 0 } end
function update(pkt, state) state.n += pkt.packets end

function export(state)
  if state.n > 0 then os.execute("mail -s help root") end
  return { n = state.n, at = os.time() }
end
