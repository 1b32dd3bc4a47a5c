// SPDX-License-Identifier: Apache-2.0
/// @file agent.cc
/// @brief Watches over services: which of them run, how much they may use; and keeps a log. Four threads.
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <pthread.h>
#include <string>
#include <unistd.h>

constexpr int kServices = 40;
int seconds = 24;

/// What stands in a small file.
std::string read_small(const std::string &path)
{
	char text[4096];
	int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return "";
	ssize_t size = read(file, text, sizeof text);
	close(file);
	return {text, static_cast<size_t>(size < 0 ? 0 : size)};
}

/// Finds out which service each process belongs to, by its environment.
class ServiceMonitor
{
  public:
	int all_services();

  private:
	std::string service_of(int process);
	std::string environment_of(int process);
};

std::string ServiceMonitor::environment_of(int process)
{
	return read_small("proc/" + std::to_string(process) + "/environ");
}

std::string ServiceMonitor::service_of(int process)
{
	std::string environment = environment_of(process);
	size_t at = environment.find("SERVICE=");
	return at == std::string::npos ? "" : environment.substr(at + 8, environment.find('\0', at) - at - 8);
}

int ServiceMonitor::all_services()
{
	int known = 0;
	for (int process = 1; process <= kServices; ++process)
		known += !service_of(process).empty();
	return known;
}

/// What the services may use.
class Limits
{
  public:
	void refresh();

  private:
	long total_ = 0;
};

void Limits::refresh()
{
	for (int process = 1; process <= 10; ++process)
		total_ += atol(read_small("proc/" + std::to_string(process) + "/limit").c_str());
}

/// The log: short lines, and now and then all of them in one piece, into a file of its own.
class Log
{
  public:
	Log() : file_(open("agent.log", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)), kept_(8 << 20, '-')
	{
	}
	void line(int number);
	void rotate();

  private:
	int file_;
	std::string kept_;
};

void Log::line(int number)
{
	char text[128];
	int size = snprintf(text, sizeof text, "line %d: all services are well, nothing is to be done\n", number);
	if (write(file_, text, static_cast<size_t>(size)) < 0)
		perror("agent: write");
}

void Log::rotate()
{
	int file = open("agent.log.1", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (write(file, kept_.data(), kept_.size()) < 0)
		perror("agent: write");
	close(file);
}

/// Calls what a thread is for every few milliseconds, until the time is over.
class Task
{
  public:
	Task(const char *name, int ms) : name_(name), ms_(ms)
	{
	}
	virtual ~Task() = default;
	void start();
	void join();

  private:
	static void *run(void *task);
	virtual void round(int number) = 0;

	const char *name_;
	int ms_;
	pthread_t thread_{};
};

void Task::start()
{
	if (pthread_create(&thread_, nullptr, run, this))
		exit(1);
}

void Task::join()
{
	pthread_join(thread_, nullptr);
}

void *Task::run(void *task)
{
	auto *self = static_cast<Task *>(task);
	pthread_setname_np(pthread_self(), self->name_);
	for (int number = 0; number < seconds * 1000 / self->ms_; ++number) {
		self->round(number);
		usleep(static_cast<useconds_t>(self->ms_) * 1000);
	}
	return nullptr;
}

struct Scheduler : Task {
	ServiceMonitor monitor;

	Scheduler() : Task("scheduler", 200)
	{
	}
	void round(int) override
	{
		monitor.all_services();
	}
};

struct Accountant : Task {
	Limits limits;

	Accountant() : Task("limits", 500)
	{
	}
	void round(int) override
	{
		limits.refresh();
	}
};

struct Logger : Task {
	Log log;

	Logger() : Task("logger", 10)
	{
	}
	void round(int number) override
	{
		log.line(number);
		if (number % 200 == 150)
			log.rotate();
	}
};

int main(int count, char **words)
{
	if (count > 1)
		seconds = atoi(words[1]);
	Scheduler scheduler;
	Accountant accountant;
	Logger logger;
	Task *tasks[] = {&scheduler, &accountant, &logger};
	for (Task *task : tasks)
		task->start();
	for (Task *task : tasks)
		task->join();
}
