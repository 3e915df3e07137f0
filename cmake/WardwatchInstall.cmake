# cmake --install build/release [--prefix DIR]: programs, rules, playbooks, the page when it is built, examples, units.
include(GNUInstallDirs)
set(_share "${CMAKE_INSTALL_DATADIR}/wardwatch")
install(TARGETS wardwatch-sensor wardwatch-collector wardwatchctl RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(DIRECTORY rules/packs/network rules/packs/sigma DESTINATION "${_share}/rules" FILES_MATCHING PATTERN "*.rules" PATTERN "*.config"
        PATTERN "*.yml")
install(DIRECTORY playbooks/library playbooks/drills DESTINATION "${_share}/playbooks")
install(DIRECTORY dashboards/web/dist/ DESTINATION "${_share}/dashboard" OPTIONAL)
install(DIRECTORY dashboards/prometheus/ DESTINATION "${_share}/prometheus" FILES_MATCHING PATTERN "rules.yaml")
install(DIRECTORY deploy/ DESTINATION "${CMAKE_INSTALL_DOCDIR}/examples" FILES_MATCHING PATTERN "*.example.yaml"
        PATTERN demo EXCLUDE PATTERN lib EXCLUDE PATTERN systemd EXCLUDE)
# The units name the programs where they are.
foreach(unit wardwatch-collector wardwatch-sensor)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/deploy/systemd/${unit}.service")
  file(READ deploy/systemd/${unit}.service text)
  string(REPLACE "/usr/bin/" "${CMAKE_INSTALL_FULL_BINDIR}/" text "${text}")
  file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/generated/${unit}.service" CONTENT "${text}" @ONLY)
  install(FILES "${CMAKE_BINARY_DIR}/generated/${unit}.service" DESTINATION lib/systemd/system)
endforeach()
install(FILES deploy/systemd/wardwatch.sysusers DESTINATION lib/sysusers.d RENAME wardwatch.conf)
