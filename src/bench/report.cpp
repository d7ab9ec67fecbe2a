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

/// What counting fuel costs: compiled code beside the same without it.
std::string metering_text(const Report& report) {
    const auto metered = std::ranges::find(report.engines, "compiled");
    const auto plain = std::ranges::find(report.engines, "unmetered");
    if (metered == report.engines.end() || plain == report.engines.end() || report.rows.empty())
        return {};
    const auto first = static_cast<std::size_t>(metered - report.engines.begin());
    const auto second = static_cast<std::size_t>(plain - report.engines.begin());
    const auto cost = [&](const Row& row) {
        return row.cells[first].seconds / row.cells[second].seconds;
    };
    const auto worst = std::ranges::max_element(report.rows, {}, cost);
    return fmt::format("Metering: {:.2f}x (geometric mean), {:.2f}x at worst ({}).\n",
                       mean_ratio(report, first, second), cost(*worst), worst->kernel);
}

}  // namespace

double median(std::vector<double> values) {
    std::ranges::sort(values);
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double mean_ratio(const Report& report, std::size_t engine, std::size_t base) {
    double sum = 0;
    double count = 0;
    for (const Row& row : report.rows) {
        if (!row.is_in_mean) continue;
        sum += std::log(row.cells[engine].seconds / row.cells[base].seconds);
        ++count;
    }
    return count == 0 ? 1 : std::exp(sum / count);
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
    return text + metering_text(report);
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
    if (const std::string metering = metering_text(report); !metering.empty())
        text += '\n' + metering;
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
