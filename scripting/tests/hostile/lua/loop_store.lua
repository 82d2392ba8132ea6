-- cpu: an endless loop in store.
value = { n = count() }
function store() while true do end end
function load() return {} end
