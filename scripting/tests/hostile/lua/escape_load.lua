-- error: code out of text.
function init() return {} end
function update(pkt, state)
  local loadstring = loadstring
  loadstring("return 1")()
end
function export(state) return { n = 1 } end
