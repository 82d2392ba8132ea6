-- error: a global for a hiding place.
function init() return {} end
function update(pkt, state)
  leak = {}
end
function export(state) return { n = 1 } end
