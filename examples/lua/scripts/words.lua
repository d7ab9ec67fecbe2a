-- The most frequent words of a text, here this script itself: the task sees its own file.
local counts, order = {}, {}
for line in io.lines(arg[0]) do
    for word in line:lower():gmatch("%a+") do
        if not counts[word] then order[#order + 1] = word end
        counts[word] = (counts[word] or 0) + 1
    end
end
table.sort(order, function(a, b)
    if counts[a] ~= counts[b] then return counts[a] > counts[b] end
    return a < b
end)
for i = 1, math.min(10, #order) do print(string.format("%-10s %3d", order[i], counts[order[i]])) end
