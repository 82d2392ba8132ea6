-- error: a yield out of a callback.
function init() return {} end
function update(pkt, state)
  coroutine.yield()
end
function export(state) return { n = 1 } end
