/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief C++: exceptions through calls and threads, static constructors that do I/O, iostreams, new and delete in every form. */
#include <atomic>
#include <fstream>
#include <future>
#include <iostream>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

struct Early {
	Early() { (void)!write(1, "static constructor\n", 19); }
	~Early() { (void)!write(1, "static destructor\n", 18); }
} early;

struct alignas(256) Wide {
	char bytes[300];
};

static thread_local std::string per_thread = "thread local with a destructor that frees, long enough to be on the heap";

int main()
{
	std::ofstream("written") << "by a stream " << 42 << std::endl;
	std::string line;
	std::getline(std::ifstream("written"), line);
	std::cout << line << std::endl;
	try {
		std::vector<int>().at(3);
	} catch (const std::out_of_range &) {
		std::cout << "caught" << std::endl;
	}
	auto future = std::async(std::launch::async, []() -> int {
		per_thread += "!";
		throw std::runtime_error("from a thread");
	});
	try {
		future.get();
	} catch (const std::runtime_error &error) {
		std::cout << error.what() << std::endl;
	}
	std::vector<std::thread> threads;
	std::atomic<size_t> sum{0};
	for (int i = 0; i < 8; i++)
		threads.emplace_back([&sum, i] {
			for (int j = 0; j < 1000; j++) {
				std::unique_ptr<Wide> wide(new Wide);
				std::unique_ptr<int[]> many(new (std::nothrow) int[100 + j]);
				sum += reinterpret_cast<size_t>(wide.get()) % 256 + (many ? i : 0);
			}
			per_thread += std::to_string(i);
		});
	for (auto &thread : threads)
		thread.join();
	std::cout << sum << std::endl;
	try {
		volatile size_t huge = static_cast<size_t>(-1) / 4;
		char *volatile kept = new char[huge];
		delete[] kept;
	} catch (const std::bad_alloc &) {
		std::cout << "bad_alloc" << std::endl;
	}
	return 0;
}
