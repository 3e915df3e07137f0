// The one translation unit of Asio, its TLS part and Beast (BOOST_*_SEPARATE_COMPILATION is set for
// the whole build): everything that links ww_net shares these definitions.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/beast/src.hpp>
#pragma GCC diagnostic pop
