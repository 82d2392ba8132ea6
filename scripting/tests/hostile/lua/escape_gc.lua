-- error: the collector is stopped.
function init() return {} end
function update(pkt, state)
  local collectgarbage = collectgarbage
  collectgarbage("stop")
end
function export(state) return { n = 1 } end
