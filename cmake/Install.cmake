# SPDX-License-Identifier: Apache-2.0
# cmake --install BUILD [--prefix DIR], with DESTDIR. Everything finds its parts by its own place, so the tree may be moved.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(UNIBUS_MODULE_SUBDIR ${CMAKE_INSTALL_LIBDIR}/unibus/modules) # below the prefix
set(UNIBUS_CMAKE_SUBDIR ${CMAKE_INSTALL_LIBDIR}/cmake/Unibus)
set(UNIBUS_PC_SUBDIR ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(TARGETS membershipd unibus unibus-nats-server RUNTIME)
install(TARGETS unibus-module-check RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/unibus)
install(PROGRAMS ${CMAKE_BINARY_DIR}/membershipctl TYPE BIN) # a link to unibus

# The modules, but for the one to copy: its source is what is wanted.
get_property(modules GLOBAL PROPERTY UB_MODULES)
install(TARGETS ${modules} LIBRARY DESTINATION ${UNIBUS_MODULE_SUBDIR})

install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/unibus TYPE INCLUDE FILES_MATCHING PATTERN "*.h")
install(DIRECTORY ${CMAKE_SOURCE_DIR}/client/unibus-client ${CMAKE_SOURCE_DIR}/rooms/ubr TYPE INCLUDE
  FILES_MATCHING PATTERN "*.h")
get_property(client_libraries GLOBAL PROPERTY UNIBUS_CLIENT_LIBRARIES)
install(TARGETS ${client_libraries} ARCHIVE)
list(TRANSFORM client_libraries PREPEND -l OUTPUT_VARIABLE UNIBUS_CLIENT_LIBS)
list(JOIN UNIBUS_CLIENT_LIBS " " UNIBUS_CLIENT_LIBS)

set(template_files CMakeLists.txt README.md addresses.c addresses.h gate.c gate.h module.c test_addresses.c)
foreach(file ${template_files}) # beside the program, as in an installation: `unibus module new` works from both
  configure_file(${CMAKE_SOURCE_DIR}/modules/template/${file} ${CMAKE_BINARY_DIR}/share/unibus/template/${file} COPYONLY)
  install(FILES ${CMAKE_SOURCE_DIR}/modules/template/${file} DESTINATION ${CMAKE_INSTALL_DATADIR}/unibus/template)
endforeach()
install(DIRECTORY ${CMAKE_SOURCE_DIR}/etc/ DESTINATION ${CMAKE_INSTALL_DATADIR}/unibus/etc)
install(FILES ${CMAKE_SOURCE_DIR}/README.md ${CMAKE_SOURCE_DIR}/ARCHITECTURE.md ${CMAKE_SOURCE_DIR}/CHANGES.md
  ${CMAKE_SOURCE_DIR}/SECURITY.md ${CMAKE_SOURCE_DIR}/LICENSE TYPE DOC)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/docs TYPE DOC FILES_MATCHING PATTERN "*.md" PATTERN "*.svg"
  PATTERN "*.*.md" EXCLUDE) # what pages are made from

# For authors: pkg-config and CMake. Both find the prefix from where they lie.
file(RELATIVE_PATH UNIBUS_PC_TO_PREFIX /${UNIBUS_PC_SUBDIR} /)
string(REGEX REPLACE "/$" "" UNIBUS_PC_TO_PREFIX "${UNIBUS_PC_TO_PREFIX}")
foreach(name unibus-module unibus-client)
  configure_file(${CMAKE_SOURCE_DIR}/cmake/${name}.pc.in ${CMAKE_BINARY_DIR}/cmake/${name}.pc @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/cmake/${name}.pc DESTINATION ${UNIBUS_PC_SUBDIR})
endforeach()
configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/UnibusConfig.cmake.in ${CMAKE_BINARY_DIR}/cmake/UnibusConfig.cmake
  INSTALL_DESTINATION ${UNIBUS_CMAKE_SUBDIR} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/cmake/UnibusConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/cmake/UnibusConfig.cmake ${CMAKE_BINARY_DIR}/cmake/UnibusConfigVersion.cmake
  DESTINATION ${UNIBUS_CMAKE_SUBDIR})
