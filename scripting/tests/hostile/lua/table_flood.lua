-- memory|error: tables without end.
function init() return { n = {} } end
function update(pkt, state)
  while true do
    state.n[#state.n + 1] = table({ key = { a = "ip.src" }, value = { n = count() } })
  end
end
function export(state) return { n = #state.n } end
