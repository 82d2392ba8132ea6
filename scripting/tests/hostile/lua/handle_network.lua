-- error: a network that is none.
function init() return {} end
function update(pkt, state)
  return addr("1.1.1.1"):within("1.1.1.1/999999999999")
end
function export(state) return { n = 1 } end
