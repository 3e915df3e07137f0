#pragma once
/// Memory in pages of 2 MiB, for processes that follow many conversations.

namespace ww::sensor {

/// From now on memory comes in transparent huge pages where the kernel has them (madvise(2),
/// MADV_HUGEPAGE): flows and streams lie all over the heap, and on virtual machines a page that the
/// processor has forgotten is found in two tables. Costs a few MiB for pages half used. Does
/// nothing without the allocator that programs ship with, or where a process was told otherwise by
/// MIMALLOC_LARGE_OS_PAGES=0. Pages that the administrator set aside for others (hugetlbfs) are
/// left to them.
void prefer_huge_pages();

}  // namespace ww::sensor
