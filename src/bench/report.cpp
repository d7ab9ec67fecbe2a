// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "bench/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace millrace::bench {
namespace {

std::string cell_text(const Row& row, std::size_t engine) {
    const double seconds = row.cells[engine].seconds;
    if (engine == 0) return fmt::format("{:.1f} ms", seconds * 1e3);
    return fmt::format("{:.1f} ms {:.2f}x", seconds * 1e3, seconds / row.cells[0].seconds);
}

/// Fuel per processor second of the first engine that meters.
std::optional<double> fuel_rate(const Row& row) {
    for (const Cell& cell : row.cells) {
        if (cell.fuel) return static_cast<double>(*cell.fuel) / cell.seconds;
    }
    return std::nullopt;
}

std::string rate_text(const Row& row) {
    const auto rate = fuel_rate(row);
    return rate ? fmt::format("{:.0f} M/s", *rate / 1e6) : std::string{"-"};
}

/// The table's texts: a head, a line for each kernel, and the means.
std::vector<std::vector<std::string>> grid(const Report& report) {
    std::vector<std::vector<std::string>> lines;
    lines.push_back({"kernel"});
    for (const auto& engine : report.engines)
        lines[0].push_back(engine);
    lines[0].push_back("fuel");
    for (const Row& row : report.rows) {
        std::vector<std::string> line{row.kernel};
        for (std::size_t i = 0; i < row.cells.size(); ++i)
            line.push_back(cell_text(row, i));
        line.push_back(rate_text(row));
        lines.push_back(std::move(line));
    }
    std::vector<std::string> means{"geometric mean"};
    for (std::size_t i = 0; i < report.engines.size(); ++i) {
        means.push_back(fmt::format("{:.2f}x", mean_ratio(report, i)));
    }
    means.emplace_back();
    lines.push_back(std::move(means));
    return lines;
}

}  // namespace

double median(std::vector<double> values) {
    std::ranges::sort(values);
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double mean_ratio(const Report& report, std::size_t engine) {
    double sum = 0;
    for (const Row& row : report.rows) {
        sum += std::log(row.cells[engine].seconds / row.cells[0].seconds);
    }
    return std::exp(sum / static_cast<double>(report.rows.size()));
}

std::string to_table(const Report& report) {
    const auto lines = grid(report);
    std::vector<std::size_t> widths(lines[0].size());
    for (const auto& line : lines) {
        for (std::size_t i = 0; i < line.size(); ++i)
            widths[i] = std::max(widths[i], line[i].size());
    }
    std::string text;
    for (const auto& line : lines) {
        text += fmt::format("{:<{}}", line[0], widths[0]);
        for (std::size_t i = 1; i < line.size(); ++i)
            text += fmt::format("  {:>{}}", line[i], widths[i]);
        text += '\n';
    }
    return text;
}

std::string to_markdown(const Report& report) {
    std::string text;
    const auto lines = grid(report);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        text += "|";
        for (const auto& cell : lines[i])
            text += fmt::format(" {} |", cell);
        text += '\n';
        if (i > 0) continue;
        text += "|---|";
        for (std::size_t column = 1; column < lines[0].size(); ++column)
            text += "---:|";
        text += '\n';
    }
    return text;
}

std::string to_json(const Report& report) {
    nlohmann::ordered_json json;
    json["runs"] = report.run_count;
    json["absent"] = report.absences;
    json["kernels"] = nlohmann::ordered_json::array();
    for (const Row& row : report.rows) {
        nlohmann::ordered_json line{
            {"kernel", row.kernel},
            {"checksum", fmt::format("{:016x}", static_cast<std::uint64_t>(row.checksum))}};
        for (std::size_t i = 0; i < row.cells.size(); ++i) {
            nlohmann::ordered_json cell{{"seconds", row.cells[i].seconds},
                                        {"ratio", row.cells[i].seconds / row.cells[0].seconds}};
            if (row.cells[i].fuel) cell["fuel"] = *row.cells[i].fuel;
            line["engines"][report.engines[i]] = std::move(cell);
        }
        json["kernels"].push_back(std::move(line));
    }
    for (std::size_t i = 0; i < report.engines.size(); ++i) {
        json["geometric_mean"][report.engines[i]] = mean_ratio(report, i);
    }
    return json.dump(2) + "\n";
}

}  // namespace millrace::bench
