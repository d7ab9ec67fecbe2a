// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "daemon/job_request.hpp"

#include <nlohmann/json.hpp>

namespace millrace::daemon {

using Json = nlohmann::json;

namespace {

Json to_json(const std::vector<FileRequest>& files) {
    Json list = Json::array();
    for (const auto& file : files)
        list.push_back({file.source, file.path});
    return list;
}

std::vector<FileRequest> files_from_json(const Json& list) {
    std::vector<FileRequest> files;
    for (const auto& item : list) {
        files.push_back({item.at(0).get<std::string>(), item.at(1).get<std::string>()});
    }
    return files;
}

}  // namespace

std::string job_request_to_json(const JobRequest& request) {
    Json json{{"name", request.name},
              {"module", request.module},
              {"environment", request.environment},
              {"files", to_json(request.files)},
              {"out", request.out},
              {"fuel_limit", request.fuel_limit},
              {"memory_limit", request.memory_limit},
              {"output_limit", request.output_limit},
              {"replicas", request.replicas},
              {"price_max", request.price_max},
              {"cost_max", request.cost_max},
              {"providers", request.providers}};
    Json tasks = Json::array();
    for (const auto& task : request.tasks) {
        tasks.push_back(
            {{"name", task.name}, {"arguments", task.arguments}, {"files", to_json(task.files)}});
    }
    json["tasks"] = std::move(tasks);
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Outcome<JobRequest> job_request_from_json(const std::string& text) {
    try {
        const Json json = Json::parse(text);
        JobRequest request;
        request.name = json.at("name");
        request.module = json.at("module");
        request.environment =
            json.at("environment").get<std::vector<std::pair<std::string, std::string>>>();
        request.files = files_from_json(json.at("files"));
        request.out = json.at("out");
        request.fuel_limit = json.at("fuel_limit");
        request.memory_limit = json.at("memory_limit");
        request.output_limit = json.at("output_limit");
        request.replicas = json.at("replicas");
        request.price_max = json.at("price_max");
        request.cost_max = json.at("cost_max");
        request.providers = json.at("providers").get<std::vector<std::string>>();
        for (const auto& item : json.at("tasks")) {
            TaskRequest task;
            task.name = item.at("name");
            task.arguments = item.at("arguments").get<std::vector<std::string>>();
            task.files = files_from_json(item.at("files"));
            request.tasks.push_back(std::move(task));
        }
        return request;
    } catch (const Json::exception& error) {
        return Err{Failure{.what = std::string{"the job request is malformed: "} + error.what(),
                           .where = "control channel",
                           .remedy = "use a `millrace` of the same version as the agent"}};
    }
}

}  // namespace millrace::daemon
