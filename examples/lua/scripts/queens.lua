-- In how many ways do 8 queens stand on a board without a threat?
local function place(n, row, columns, up, down)
    if row > n then return 1 end
    local ways = 0
    for column = 1, n do
        local u, d = row + column, row - column
        if not (columns[column] or up[u] or down[d]) then
            columns[column], up[u], down[d] = true, true, true
            ways = ways + place(n, row + 1, columns, up, down)
            columns[column], up[u], down[d] = nil, nil, nil
        end
    end
    return ways
end

for n = 4, 8 do print(n, place(n, 1, {}, {}, {})) end
